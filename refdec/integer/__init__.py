"""Integer networks: graphs as data, the proof that they cannot overflow, and the engines that run them."""

from __future__ import annotations

from refdec.integer.graph import Graph, GraphInput, Node

__all__ = ["Graph", "GraphInput", "Node"]
