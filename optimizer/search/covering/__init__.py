"""Large irregular components as covering programs."""
