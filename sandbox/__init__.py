"""A stand-in for the Evergrove API, written from its documents and apart from the product."""

from sandbox.application import Sandbox

__all__ = ["Sandbox"]
