"""From an HTTP request to a response: WSGI, Flask, the engine, replies and throttling."""
