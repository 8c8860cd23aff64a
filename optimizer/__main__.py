"""`python -m optimizer` is `bgp-speakers`."""

from .cli import main

main()
