"""What happened in this workspace, and what that says of the next run: forecasts kept beside the meters."""
