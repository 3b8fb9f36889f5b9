"""Results to an MQTT broker, and a board as a device of Home Assistant."""
