"""The gateway: knows neither who asks nor what; takes a token, and carries sealed records."""
