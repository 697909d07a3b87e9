"""The decoder's networks as float graphs, node for node what the integer graphs compute.

Names of graph inputs and outputs, the same in every integer model:

* hyper-decoder: ``z_hat`` -> ``psi``
* context model, phase s: ``psi`` (its block) and ``y_hat.0`` .. ``y_hat.<s-1>`` -> ``mu``
* sum, phase s: ``mu`` (in chroma the block of psi itself) and ``residual`` -> ``y_hat``
* rectifier: ``y_hat`` -> ``y_hat_rectified``
* synthesis: ``y_hat`` (primary) or ``y_hat.Y`` and ``y_hat.UV`` (secondary) -> ``signal``

The signal is the network's output before the output map, clamped to what that map keeps and cut to the tile:
planes ``[1 or 2, h, w]`` in which 1 stands for 128 steps of a sample and 0 for 127.5.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from conformance.networks.context import ContextModel, ContextPhase
from conformance.networks.hyper import Z_LIMIT, HyperDecoder
from conformance.networks.primitives import (
    LEAKY_SLOPE,
    ConvolutionalAttention,
    LightCombineBlock,
    LightResidualBlock,
    ResAU,
    ResidualBlock,
    ShuffleUp,
    TransformerAttention,
)
from conformance.networks.rectifier import Rectifier
from conformance.networks.synthesis import (
    PrimaryBOP,
    PrimaryHOP,
    PrimarySOP,
    SecondaryBOP,
    SecondaryHOP,
    SecondarySOP,
    Synthesis,
)
from conformance.quantize.float_graph import FloatGraph, as_array

SIGNAL_LIMIT = 127.5 / 128
"""The clamp of samples to 0..255, seen from before the output map."""


class _Builder:
    """Adds modules to a graph under their tensor names."""

    def __init__(self, name: str) -> None:
        self.graph = FloatGraph(name)

    def conv(self, name: str, x: str, layer: nn.Conv2d, *, offset: float | None = None) -> str:
        """A convolution with the padding and groups of ``layer``; ``offset`` is added to every output."""
        bias = None if layer.bias is None else as_array(layer.bias)
        if offset is not None:
            bias = np.full(layer.out_channels, offset) + (0 if bias is None else bias)
        pad = (layer.padding[0], layer.padding[1]) * 2
        return self.graph.conv(
            name, x, as_array(layer.weight), bias, stride=layer.stride[0], pad=pad, groups=layer.groups
        )

    def up(self, name: str, x: str, layer: nn.Module) -> str:
        """Either kind of doubling."""
        if isinstance(layer, ShuffleUp):
            x = self.graph.conv(f"{name}.conv", x, as_array(layer.conv.weight), pad=(0, 0, 1, 1))
            return self.graph.pixel_shuffle(name, x, 2)
        assert isinstance(layer, nn.ConvTranspose2d)
        return self.graph.transposed_conv(name, x, as_array(layer.weight), as_array(layer.bias))

    def gate(self, name: str, x: str, module: ResAU) -> str:
        a = self.graph.relu6(f"{name}.relu6", x)
        m = self.conv(f"{name}.conv", a, module.conv)
        m = self.conv(f"{name}.conv2", m, module.conv2, offset=1.0)
        return self.graph.mul(name, x, m)

    def residual(self, name: str, x: str, module: ResidualBlock | LightResidualBlock) -> str:
        t = self.graph.relu(f"{name}.relu", self.conv(f"{name}.conv1", x, module.conv1))
        if isinstance(module, ResidualBlock):
            t = self.conv(f"{name}.conv2", t, module.conv2)
        return self.graph.add(name, x, t)

    def residuals(self, name: str, x: str, blocks: nn.Sequential) -> str:
        for index, block in enumerate(blocks):
            assert isinstance(block, ResidualBlock)
            x = self.residual(f"{name}.{index}", x, block)
        return x

    def cab(self, name: str, x: str, module: ConvolutionalAttention) -> str:
        trunk = self.residuals(f"{name}.residual_trunk", x, module.residual_trunk)
        mask = self.conv(f"{name}.subscale", x, module.subscale)
        mask = self.residuals(f"{name}.residual_mask2", mask, module.residual_mask2)
        mask = self.residuals(f"{name}.residual_mask3", mask, module.residual_mask3)
        mask = self.graph.lut(f"{name}.sigmoid", self.up(f"{name}.upscale", mask, module.upscale), "sigmoid")
        return self.graph.add(name, x, self.graph.mul(f"{name}.masked", trunk, mask))

    def norm(self, name: str, x: str, module: nn.Module) -> str:
        return self.graph.layer_norm(name, x, as_array(module.weight), as_array(module.bias))

    def tam(self, name: str, x: str, module: TransformerAttention) -> str:
        if module.resample:
            x = self.conv(f"{name}.ds_conv", x, module.ds_conv)
        for index, block in enumerate(module.TABs):
            x = self._transformer(f"{name}.TABs.{index}", x, block)
        return self.up(f"{name}.us_conv", x, module.us_conv) if module.resample else x

    def _transformer(self, name: str, x: str, block: nn.Module) -> str:
        prepare, attention, feed = block.prep_data, block.attn, block.ffn
        qkv = self.norm(f"{name}.prep_data.norm1", x, prepare.norm1)
        qkv = self.conv(f"{name}.prep_data.conv1", qkv, prepare.conv1)
        qkv = self.conv(f"{name}.prep_data.conv2", qkv, prepare.conv2)
        a = self.graph.channel_attention(f"{name}.attn", qkv, as_array(attention.temperature))
        a = self.conv(f"{name}.attn.project_out", a, attention.project_out)
        x = self.graph.add(f"{name}.attn.sum", x, a)
        u = self.norm(f"{name}.ffn.norm1", x, feed.norm1)
        u = self.conv(f"{name}.ffn.project_in", u, feed.project_in)
        u = self.conv(f"{name}.ffn.dwconv", u, feed.dwconv)
        half = self.graph.channels(u) // 2
        opening = self.graph.slice(f"{name}.ffn.gate", u, 0, half)
        opening = self.graph.lut(f"{name}.ffn.elu", opening, "elu")
        value = self.graph.slice(f"{name}.ffn.value", u, half, 2 * half)
        u = self.graph.mul(f"{name}.ffn.gated", opening, value)
        u = self.conv(f"{name}.ffn.project_out", u, feed.project_out)
        return self.graph.add(name, x, u)

    def combine(self, name: str, luma: str, chroma: str, module: LightCombineBlock) -> str:
        both = self.graph.concat(f"{name}.latents", luma, chroma)
        return self.graph.concat(name, self.conv(f"{name}.conv1", both, module.conv1), chroma)

    def finish(self, x: str, shuffle: int) -> FloatGraph:
        x = self.graph.clip("limit", x, -SIGNAL_LIMIT, SIGNAL_LIMIT)
        if shuffle > 1:
            x = self.graph.pixel_shuffle("shuffle", x, shuffle)
        self.graph.output(self.graph.crop("signal", x, 1))
        return self.graph


def hyper_decoder_graph(module: HyperDecoder) -> FloatGraph:
    """``z_hat`` to ``psi``. The first two layers, linear without anything between, become one."""
    b = _Builder("hyper_decoder")
    x = b.graph.input("z_hat", module.conv1.in_channels, step=1.0, lo=-Z_LIMIT, hi=Z_LIMIT)
    # conv1 mixes channels at each position, so it moves into the transposed weights: sum over o of
    # conv1[o, i] * conv2[o, :]
    mixing, spread = as_array(module.conv1.weight)[:, :, 0, 0], as_array(module.conv2.weight)
    weight = np.einsum("oi,opyx->ipyx", mixing, spread)
    x = b.graph.transposed_conv("conv2", x, weight, as_array(module.conv2.bias))
    # the activation first: it can then be part of the convolution, and cutting commutes with it
    x = b.graph.crop("conv2.crop", b.graph.relu6("relu6.2", x), 32)
    x = b.graph.relu6("relu6.3", b.conv("conv3", x, module.conv3))
    b.graph.output(b.conv("psi", x, module.conv4))
    return b.graph


def context_graph(module: ContextPhase, phase: int) -> FloatGraph:
    """The mean of one phase."""
    b = _Builder(f"mcm.{phase}")
    fusion = module.fusion_pred_net
    channels = fusion.conv3.out_channels
    x = psi = b.graph.input("psi", channels)
    if phase:
        earlier = [b.graph.input(f"y_hat.{index}", channels) for index in range(phase)]
        context = b.graph.concat("context", *earlier) if phase > 1 else earlier[0]
        context = b.conv("conv.1", b.conv("conv.0", context, module.conv[0]), module.conv[1])
        x = b.graph.concat("fusion", context, psi)
    x = b.graph.relu("relu.1", b.conv("fusion.conv1", x, fusion.conv1))
    x = b.graph.relu("relu.2", b.conv("fusion.conv2", x, fusion.conv2))
    b.graph.output(b.conv("mu", x, fusion.conv3))
    return b.graph


def context_graphs(module: ContextModel) -> list[FloatGraph]:
    """The four phases in coding order."""
    return [context_graph(network, phase) for phase, network in enumerate(module.MCM)]


def synthesis_graph(module: Synthesis) -> FloatGraph:
    """Any of the six synthesis transforms."""
    match module:
        case PrimarySOP() | PrimaryBOP():
            return _primary_low(module)
        case SecondarySOP() | SecondaryBOP():
            return _secondary_low(module)
        case PrimaryHOP():
            return _primary_high(module)
        case SecondaryHOP():
            return _secondary_high(module)
    raise TypeError(f"no graph for {type(module).__name__}")


def _primary_start(b: _Builder, first_stage: nn.Sequential) -> str:
    block = first_stage[0][0]
    x = b.graph.input("y_hat", block.conv1.in_channels)
    x = b.residual("first_stage.0.0", x, block)
    x = b.gate("first_stage.2", b.up("first_stage.1", x, first_stage[1]), first_stage[2])
    return b.graph.crop("first_stage.crop", x, 8)


def _primary_low(module: PrimarySOP | PrimaryBOP) -> FloatGraph:
    b = _Builder("synthesis")
    x = b.up("conv2_t", _primary_start(b, module.first_stage), module.conv2_t)
    x = b.gate("iact2", b.graph.crop("conv2_t.crop", x, 4), module.iact2)
    x = b.gate("iact3", b.conv("conv3", x, module.conv3), module.iact3)
    return b.finish(b.conv("conv4", x, module.conv4), module.shuffle)


def _primary_high(module: PrimaryHOP) -> FloatGraph:
    b = _Builder("synthesis")
    x = b.up("conv2_t", _primary_start(b, module.first_stage), module.conv2_t)
    x = b.gate("iact2", b.graph.crop("CAB.crop", b.cab("CAB", x, module.CAB), 4), module.iact2)
    x = b.graph.pixel_shuffle("conv3_t.shuffle", b.conv("conv3_t", x, module.conv3_t), 2)
    x = b.gate("iact3", b.graph.crop("TAM.crop", b.tam("TAM", x, module.TAM), 2), module.iact3)
    return b.finish(b.up("conv4_t", x, module.conv4_t), module.shuffle)


def _secondary_start(b: _Builder, block: LightCombineBlock) -> str:
    luma = b.graph.input("y_hat.Y", block.luma)
    chroma = b.graph.input("y_hat.UV", block.conv1.in_channels - block.luma)
    return b.combine("first_stage", luma, chroma, block)


def _secondary_low(module: SecondarySOP | SecondaryBOP) -> FloatGraph:
    b = _Builder("synthesis")
    x = b.up("conv2_t", _secondary_start(b, module.first_stage), module.conv2_t)
    x = b.gate("iact2", b.graph.crop("conv2_t.crop", x, 8), module.iact2)
    x = b.gate("iact3", b.conv("conv3", x, module.conv3), module.iact3)
    return b.finish(b.conv("conv4", x, module.conv4), module.shuffle)


def _secondary_high(module: SecondaryHOP) -> FloatGraph:
    b = _Builder("synthesis")
    x = b.up("conv2_t", _secondary_start(b, module.first_stage), module.conv2_t)
    x = b.gate("iact2", b.graph.crop("CAB.crop", b.cab("CAB", x, module.CAB), 8), module.iact2)
    x = b.graph.pixel_shuffle("conv3_t.shuffle", b.conv("conv3_t", x, module.conv3_t), 2)
    x = b.gate("iact3", b.graph.crop("TAM.crop", b.tam("TAM", x, module.TAM), 4), module.iact3)
    return b.finish(b.up("conv4_t", x, module.conv4_t), module.shuffle)


def rectifier_graph(module: Rectifier) -> FloatGraph:
    """``y_hat`` to ``y_hat_rectified``; the factors of training become part of first and last weights."""
    graph = FloatGraph("rectifier")
    y = graph.input("y_hat", module.conv1.in_channels)
    given, made = as_array(module.y_scale), as_array(module.correction_scale)
    first = as_array(module.conv1.weight) * given[None, :, None, None]
    x = graph.conv("conv1", y, first, as_array(module.conv1.bias), leaky=LEAKY_SLOPE)
    x = graph.conv("conv2", x, as_array(module.conv2.weight), as_array(module.conv2.bias), leaky=LEAKY_SLOPE)
    last = as_array(module.conv3.weight) * made[:, None, None, None]
    x = graph.conv("correction", x, last, as_array(module.conv3.bias) * made)
    graph.output(graph.add("y_hat_rectified", y, x))
    return graph
