"""`python -m engine` is `tradewind`."""

from engine.cli.main import main

raise SystemExit(main())
