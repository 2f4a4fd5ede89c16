"""What every role of the private path has in its life: arguments, HTTP, counts, few rights."""
