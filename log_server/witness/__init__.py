"""A witness: cosigns a log's checkpoint only if it extends the one that it cosigned last."""
