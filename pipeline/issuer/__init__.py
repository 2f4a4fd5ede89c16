"""The issuer: knows who asks for a token, and never sees the token or what it is spent for."""
