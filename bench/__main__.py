"""Figures that anyone can measure: `make bench`. Each part has a process of its own."""

import subprocess
import sys

PARTS = ("dispatch", "intake")

if __name__ == "__main__":
    codes = [
        subprocess.run([sys.executable, "-m", f"bench.{part}"], check=False).returncode
        for part in PARTS
    ]
    sys.exit(max(map(abs, codes)))
