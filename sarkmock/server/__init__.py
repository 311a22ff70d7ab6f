"""Serving: the HTTPS server, certificates, in-process transports, and SarkMock."""
