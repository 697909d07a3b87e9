/* A trace line from C: cc -std=c99 -o trace_line trace_line.c; sha256.h is an implementation of our own. */
#include <stdio.h>
#include <stdlib.h>
#include "sha256.h"

/* values: an int32 tensor [c, h, w] in C order; region is a number, or "null" for the whole picture. */
void trace_line(FILE *out, const char *point, const char *component, const char *region,
                int c, int h, int w, const int32_t *values)
{
    size_t n = (size_t)c * h * w;
    unsigned char *bytes = malloc(4 * n);
    int32_t low = values[0], high = values[0];
    char hex[65];
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 4; k++)
            bytes[4 * i + k] = (unsigned char)((uint32_t)values[i] >> 8 * k); /* little-endian everywhere */
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    sha256_hex(bytes, 4 * n, hex);
    free(bytes);
    fprintf(out, "{\"point\": \"%s\", \"component\": \"%s\", \"region\": %s, \"shape\": [%d, %d, %d], \"dtype\": "
                 "\"int32\", \"sha256\": \"%s\", \"min\": %d, \"max\": %d}\n",
            point, component, region, c, h, w, hex, (int)low, (int)high);
}

int main(void)
{
    int32_t residual[2 * 3 * 4];
    for (int i = 0; i < 24; i++)
        residual[i] = i * i % 17 - 8;
    puts("{\"refdec_trace\": 1}"); /* the first line; all other keys are for people */
    trace_line(stdout, "residual", "Y", "null", 2, 3, 4, residual);
    return 0;
}
