"""`python -m optimizer` is `bgp-speakers`."""

from .cli.main import main

main()
