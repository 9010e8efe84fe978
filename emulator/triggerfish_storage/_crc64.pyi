def crc64(data: bytes | bytearray | memoryview, value: int = 0, /) -> int:
    """Return the CRC-64/NVME of ``data`` behind what has the checksum ``value``."""
