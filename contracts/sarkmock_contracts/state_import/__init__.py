"""Reading the present state of a box into a seed file."""
