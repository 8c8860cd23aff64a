"""The command line: read, call one function, write."""
