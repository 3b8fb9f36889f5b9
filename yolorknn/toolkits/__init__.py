"""Which of the vendor's toolkits this machine has: `installed` for the chips of today, `first` for RKNPU1's."""
