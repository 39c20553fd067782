from typing import final

@final
class RecentOrders: ...

@final
class ReferencePrices: ...
