"""Tests with real parts: the real engine, the real model, a real small course; the only fake is a computable embedder."""
