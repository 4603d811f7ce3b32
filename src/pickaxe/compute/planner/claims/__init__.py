"""Published claims, and the assumptions under which they are true."""
