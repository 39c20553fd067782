"""One well-formed frame of each kind that the venue's codecs read, as the venue writes them."""

from __future__ import annotations

DEPTH = (
    b'{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":10,"u":12,'
    b'"b":[["61737.63000000","0.00000000"],["61730.17000000","1.50000000"]],"a":[["61737.64000000","0.00001000"]]}'
)
FUTURES_DEPTH = (
    b'{"e":"depthUpdate","E":1626992741037,"T":1626992741024,"s":"BTCUSDT","U":600859599090,"u":600859600917,'
    b'"pu":600859598061,"b":[["7.50","813"],["7.61","2"]],"a":[["7.62","1563.5"],["7.63","3284"]]}'
)
TICKER = b'{"u":400900217,"s":"BTCUSDT","b":"25.35000000","B":"31.21000000","a":"25.36000000","A":"40.66000000"}'
FUTURES_TICKER = (
    b'{"e":"bookTicker","u":600859600576,"s":"BTCUSDT","b":"7.61","B":"2","a":"7.62","A":"297","T":1626992741012,'
    b'"E":1626992741017}'
)
TRADE = (
    b'{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"0.01000000","q":"100.00000000",'
    b'"T":1672515782137,"m":true,"M":true}'
)
FUTURES_TRADE = (
    b'{"e":"trade","E":1672515782136,"T":1672515782137,"s":"BTCUSDT","t":12345,"p":"64000.10","q":"0.010","X":"MARKET",'
    b'"m":false}'
)
AGG_TRADE = (
    b'{"e":"aggTrade","E":1672515782136,"s":"BTCUSDT","a":164325,"p":"7.00000000","q":"1.00000000","f":1,"l":2,'
    b'"T":1672515782137,"m":false,"M":true}'
)
KLINE = (
    b'{"e":"kline","E":1672515782136,"s":"BTCUSDT","k":{"t":1672515780000,"T":1672515839999,"s":"BTCUSDT","i":"1m",'
    b'"f":100,"L":200,"o":"0.00100000","c":"0.00200000","h":"0.00250000","l":"0.00150000","v":"1000.00000000","n":100,'
    b'"x":false,"q":"1.00000000","V":"500.00000000","Q":"0.50000000","B":"123456"}}'
)
MARK_PRICE = (
    b'{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","ap":"11793.1","i":"11784.62659091",'
    b'"P":"11784.25641265","r":"-0.00038167","T":1562306400000}'
)
TICKERS_24H = (
    b'[{"e":"24hrMiniTicker","E":1672515782136,"s":"BTCUSDT","c":"0.00250000","o":"0.00100000","h":"0.00250000",'
    b'"l":"0.00100000","v":"10000.00000000","q":"18.00000000"},{"e":"24hrMiniTicker","E":1672515782136,"s":"ETHUSDT",'
    b'"c":"1","o":"2","h":"3","l":"4","v":"5","q":"6"}]'
)
LIQUIDATION = (
    b'{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014","p":"9910.00",'
    b'"ap":"9910.00","X":"FILLED","l":"0.014","z":"0.014","T":1568014460893}}'
)
CONTRACT = (
    b'{"e":"contractInfo","E":1669356423908,"s":"BTCUSDT","ps":"BTCUSDT","ct":"PERPETUAL","dt":4133404800000,'
    b'"ot":1569398400000,"cs":"TRADING","bks":[{"bs":1,"bnf":0,"bnc":5000,"mmr":0.01,"cf":0,"mi":21,"ma":50}]}'
)
SNAPSHOT = b'{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.01000000","12.00000000"]]}'
OPEN_INTEREST = b'{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}'
FUNDING = b'[{"symbol":"BTCUSDT","fundingRate":"-0.03750000","fundingTime":1570608000000,"markPrice":"34287.54619963"}]'
RATIO = (
    b'[{"symbol":"BTCUSDT","longShortRatio":"1.8105","longAccount":"0.6442","shortAccount":"0.3558",'
    b'"timestamp":"1583139600000"}]'
)

REPORT = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"BTCUSDT","c":"x-1","S":"BUY","o":"LIMIT",'
    b'"f":"GTC","q":"0.01000000","p":"100.00000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE",'
    b'"X":"PARTIALLY_FILLED","r":"NONE","i":5,"l":"0.00100000","z":"0.00100000","L":"100.00000000","n":"0.1","N":"USDT",'
    b'"T":1499405658657,"t":7,"I":1,"w":true,"m":false,"M":false,"O":1499405658657,"Z":"0.10000000"}}'
)
REFUSAL = (
    b'{"id":7,"status":400,"error":{"code":-2010,"msg":"x \\u00e9 \\" y","data":{"retryAfter":5,"newOrderResponse":'
    b'{"code":-2022,"msg":"z"}}},"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,'
    b'"limit":100,"count":3}]}'
)
REPLY = (
    b'{"id":7,"status":200,"result":{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,"clientOrderId":"x-1",'
    b'"transactTime":1507725176595},"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,'
    b'"limit":50,"count":12},{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":1}]}'
)
FUTURES_REPLY = (
    b'{"id":8,"status":200,"result":{"orderId":325078477,"symbol":"BTCUSDT","status":"NEW","clientOrderId":"iCXL1BywlBaf",'
    b'"price":"43187.00","avgPrice":"0.00","origQty":"0.100","executedQty":"0.000","cumQty":"0.000","cumQuote":"0.00",'
    b'"timeInForce":"GTC","type":"LIMIT","reduceOnly":false,"side":"SELL","positionSide":"BOTH","stopPrice":"0.00",'
    b'"origType":"LIMIT","updateTime":1702555534435},"rateLimits":[]}'
)
BALANCES = (
    b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"BTC","f":"1.0","l":"0.5"}]}}'
)
DELTA = b'{"subscriptionId":0,"event":{"e":"balanceUpdate","E":1,"a":"BTC","d":"-100.00000000","T":1573200697068}}'
ACCOUNT_REPLY = (
    b'{"id":9,"status":200,"result":{"makerCommission":15,"balances":[{"asset":"BTC","free":"1.0","locked":"0.5"}],'
    b'"updateTime":1507725176595}}'
)
UPDATE = (
    b'{"e":"ORDER_TRADE_UPDATE","E":1763640000140,"T":1763640000138,"o":{"s":"BTCUSDT","c":"f-1","S":"BUY","o":"LIMIT",'
    b'"f":"GTC","q":"0.010","p":"64000.10","ap":"64000.10","sp":"0","x":"TRADE","X":"FILLED","i":99001,"l":"0.010",'
    b'"z":"0.010","L":"64000.10","n":"0.128","N":"USDT","T":1763640000138,"t":5511,"m":true,"R":false,"ps":"BOTH","rp":"0"}}'
)
ACCOUNT_UPDATE = (
    b'{"e":"ACCOUNT_UPDATE","E":1763640000140,"T":1763640000138,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"999.872",'
    b'"cw":"999.872","bc":"0"}],"P":[{"s":"BTCUSDT","pa":"0.010","ep":"64000.10","up":"0.1","mt":"cross","ps":"BOTH"}]}}'
)
ORDERS = (
    b'[{"symbol":"BTCUSDT","orderId":1,"clientOrderId":"x-1","price":"0.10","origQty":"1.0","executedQty":"0.0",'
    b'"cummulativeQuoteQty":"0.0","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY","updateTime":1499827319559}]'
)
TRADES = (
    b'[{"symbol":"BTCUSDT","id":28457,"orderId":100234,"price":"4.00","qty":"12.00","commission":"10.1",'
    b'"commissionAsset":"BTC","time":1499865549590,"isBuyer":true,"isMaker":false}]'
)
WALLETS = b'[{"accountAlias":"x","asset":"USDT","balance":"122607.35137903","crossUnPnl":"-0.1","updateTime":5}]'
POSITIONS = (
    b'[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"-1.002","entryPrice":"0.123456789012","updateTime":7}]'
)

SPOT_MARKET = (DEPTH, TICKER, TRADE, AGG_TRADE)
FUTURES_MARKET = (FUTURES_DEPTH, FUTURES_TICKER, FUTURES_TRADE)
SPOT_EVENTS = (KLINE, TICKERS_24H)
FUTURES_EVENTS = (MARK_PRICE, LIQUIDATION, CONTRACT, KLINE)
SPOT_OWN = (REPORT, REFUSAL, REPLY, BALANCES, DELTA, ACCOUNT_REPLY)
FUTURES_OWN = (UPDATE, ACCOUNT_UPDATE)
LISTS = (ORDERS, TRADES, WALLETS, POSITIONS)


def wrap(frame: bytes, stream: str = "btcusdt@x") -> bytes:
    """The frame as a combined stream gives it."""
    return b'{"stream":"' + stream.encode() + b'","data":' + frame + b"}"
