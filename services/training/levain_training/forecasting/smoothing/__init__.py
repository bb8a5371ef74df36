"""Weekly exponential smoothing of all products of a batch at once, with the shop's calendar. numpy only: importing it is cheap.

`panel` (a task as arrays) -> `factors` (holidays, last year) -> `gates` (which of them the shop's own past asks for) -> `backtest`
(26 origins, on `recursion`) -> `intervals` -> `results` (one per product).
"""
