"""The engine for a network of validators, over CometBFT: `engine` puts the rest together."""
