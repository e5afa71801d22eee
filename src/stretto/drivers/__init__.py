"""What turns the engine: asyncio for real runs, a virtual clock for tests, one at a time."""
