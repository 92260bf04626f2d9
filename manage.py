#!/usr/bin/env python
"""The command line of Evergrove Dash."""

import os
import sys


def main() -> None:
    os.umask(0o077)  # the database, exports and whatever else is written hold patient data
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "evergrove_dash.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
