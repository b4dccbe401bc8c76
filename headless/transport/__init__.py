"""The only package that opens session sockets."""
