"""Talking to a target: HTTP messages, transports, rate limit, budget, interrupts."""
