"""The steps from today to a placement, and their inverse."""
