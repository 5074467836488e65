"""The models ``streets`` and ``streets-fp32`` of overtrace, in ``files``; CC BY-NC 4.0, not for commercial use."""
