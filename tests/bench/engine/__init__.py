"""The engine that asks for answers, its peers, and the endpoint that they are measured against."""
