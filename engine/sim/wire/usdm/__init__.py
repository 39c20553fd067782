"""USD-M futures on the wire: REST ``/fapi`` and ``/futures/data``, the routed streams, ``/ws-fapi/v1``."""
