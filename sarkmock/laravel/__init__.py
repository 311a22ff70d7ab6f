"""PHP and Laravel as a client meets them: input parsing, validation rules, messages."""
