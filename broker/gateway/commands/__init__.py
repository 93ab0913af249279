"""Commands and starts: judged, stored, and carried out where no producer attends."""
