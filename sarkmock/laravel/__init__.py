"""The behaviour of PHP and Laravel that clients observe: input parsing, validation rules, messages."""
