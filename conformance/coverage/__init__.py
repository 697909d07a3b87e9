"""What a suite of streams exercises: statements of docs/, table entries, clips, header branches, refusals."""
