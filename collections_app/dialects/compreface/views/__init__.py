"""CompreFace's endpoints: parse, operate, render."""
