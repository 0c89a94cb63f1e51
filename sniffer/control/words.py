"""The page's words, in English and in Chinese, and which of them a reader wants.

In: an Accept-Language header, a query; what is to be said.  Out: :class:`Words`, sentences about blind spots.
Never: a language that lacks a word of another.
"""

# ruff: noqa: RUF001
# Chinese text has Chinese punctuation.

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from sniffer.blindspots import Finding, Level, percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.blindspots import BlindSpots, Offer, Share


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    code: str  # for lang="…"
    name: str  # of itself
    other: str  # code of the language to offer a link to
    about: str
    silent: str  # the daemon does not answer any more
    states: dict[str, str]
    labels: dict[str, str]
    columns: tuple[str, ...]
    confidences: dict[str, str]
    severities: dict[str, str]
    blind: str
    sees_all: str
    hosts: str
    none: str
    rules: str
    links: tuple[tuple[str, str], ...]  # path, what is there
    finding: Callable[[Finding, BlindSpots], tuple[str, str, str]]  # name, sentence, remedy


# ── English ──────────────────────────────────────────────────────────────────────────────────────────────


def _in_english(finding: Finding, _spots: BlindSpots) -> tuple[str, str, str]:
    return finding.check, finding.says, finding.remedy


ENGLISH: Final = Words(
    code="en",
    name="English",
    other="zh",
    about="Cryptocurrency mining seen on the mirror port",
    silent="no answer from the daemon",
    states={
        "no_worker": "no worker is running: nothing is seen",
        "interface_down": "interface down: {names}",
        "no_packet": "no packet yet",
        "reload_failed": "watching; the last reload of rules failed, the rules before it are in use",
        "selftest": "the self-test has failed, or has not run yet",
        "blind": "watching, and little or nothing is seen: see the blind spots",
        "partly_blind": "watching, and not everything is seen: see the blind spots",
        "watching": "watching",
    },
    labels={
        "packets": "Packets",
        "passed": "Read further",
        "drops": "Dropped by the kernel",
        "last_packet": "Last packet (UTC)",
        "hits": "Hits",
        "active": "Hosts in the last hour",
        "flows": "Flows",
        "one_sided": "One-sided flows",
        "rules": "Rules",
    },
    columns=(
        "Address",
        "Tenant",
        "Hits",
        "Confidence",
        "Severity",
        "Hashrate",
        "Power",
        "Machines",
        "Last hit (UTC)",
        "Rules",
    ),
    confidences={"confirmed": "confirmed", "probable": "probable", "suspected": "suspected"},
    severities={"critical": "critical", "high": "high", "medium": "medium", "low": "low"},
    blind="Blind spots",
    sees_all="Nothing was found that keeps the sensor from seeing.",
    hosts="Offending addresses",
    none="No mining seen so far.",
    rules="rules",
    links=(
        ("/metrics", "metrics for Prometheus"),
        ("/-/hosts", "this table as JSON"),
        ("/-/healthy", "is the process alive"),
        ("/-/ready", "could it detect mining now"),
    ),
    finding=_in_english,
)


# ── Chinese ──────────────────────────────────────────────────────────────────────────────────────────────


def _share(share: Share, of_what: str) -> str:
    return f"{share.whole} {of_what}中有 {percent(share.ratio)} "


def _counted(share: Share, what: str) -> str:
    return f"{share.whole} 个数据包中有 {share.part} 个{what}（{percent(share.ratio)}）"


def _silence(offer: Offer) -> str:
    if not offer.offered:
        return "没有收到任何数据包"
    ago = "" if offer.silence is None else f"，最近一个在 {offer.silence:.0f} 秒前"
    return f"已读取 {offer.captured} 个数据包{ago}"


OF_INTERFACE: Final[dict[str, tuple[str, Callable[[Offer], str], str]]] = {
    "traffic": ("流量", _silence, "检查交换机的镜像会话和网线"),
    "drops": (
        "内核丢包",
        lambda offer: (
            f"应收 {offer.offered} 个数据包，内核丢弃 {offer.dropped} 个（{percent(offer.dropped / max(offer.offered, 1))}）"
        ),
        "调大 capture.ring_mib；仍不够则增加 capture.workers，并让其他程序避开这些处理器",
    ),
    "merged frames": (
        "合并的帧",
        lambda offer: f"{offer.captured} 个帧中有 {offer.merged} 个超过接口的最大长度",
        "网卡或内核合并了数据包（GRO、LRO）：命中数不受影响；若需要准确的包数，请用 ethtool -K 关闭 gro 和 lro",
    ),
    "checksums": (
        "校验和",
        lambda offer: f"{offer.captured} 个帧中有 {offer.unsummed} 个尚无校验和",
        "这些帧由本机、虚拟机或容器发出，并非来自线路：请确认这是不是镜像口",
    ),
}
"""Name, sentence and remedy of what is said about an interface."""

OF_ALL: Final[dict[str, tuple[str, Callable[[BlindSpots], str], str]]] = {
    "directions": (
        "单向连接",
        lambda spots: f"{_share(spots.one_sided, '条有数据的 TCP 连接')}只见单向",
        "将端口的两个方向（或非对称路由的两条链路）都镜像到同一传感器；若本来只有一个方向，请设置 sensor.one_sided: true",
    ),
    "cut": (
        "截断的帧",
        lambda spots: _counted(spots.cut, "被截断"),
        "调大 capture.snaplen：截断处之后的内容读不到",
    ),
    "undecoded": (
        "无法解码",
        lambda spots: (
            _counted(spots.undecoded, "的头部无法解码")
            + "".join(f"，{layer} {count}" for layer, count in spots.undecoded_layers)
        ),
        "加密隧道请在其内侧镜像；能解码的封装见 docs/protocols.md，缺少的请附几个数据包反馈",
    ),
    "evictions": (
        "挤出的连接",
        lambda spots: f"{spots.evicted} 条活动连接被挤出连接表，其中 {spots.evicted_grave} 条正在读取",
        "检查是否有大量新建连接的攻击；增加 capture.workers，每个工作进程有自己的连接表",
    ),
    "names": (
        "隐藏的服务器名",
        lambda spots: f"{_share(spots.hidden_names, '个 TLS 和 QUIC 会话')}不显示服务器名",
        "让传感器同时看到这些客户端的 DNS：从中学到的地址可以代替名称",
    ),
    "doh": (
        "加密 DNS",
        lambda spots: f"{_share(spots.doh, '个 TLS 和 QUIC 会话')}连向加密 DNS 服务",
        (
            "其中查询的域名看不到：提供自己的解析服务并对 use-application-dns.net 返回 NXDOMAIN，"
            "或封锁 rules/lists/doh-resolvers.yaml 中的地址"
        ),
    ),
    "duplicates": (
        "重复镜像",
        lambda spots: f"{_share(spots.duplicates, '个数据报和抽样 TCP 报文段')}出现两次",
        "每条路径只在一处镜像，或每个端口只镜像一个方向；命中只计一次，但数据包读了两遍",
    ),
    "packet clock": (
        "时钟跳变",
        lambda spots: f"数据包时间跳变 {spots.clock_jumps} 次",
        "同步本机时钟（chrony、systemd-timesyncd）；由网卡打时间戳时也要同步网卡时钟",
    ),
}
"""Name, sentence and remedy of what is said about all interfaces together."""


def _in_chinese(finding: Finding, spots: BlindSpots) -> tuple[str, str, str]:
    offer = next((one for one in spots.offers if one.name == finding.where), None)
    if finding.check in OF_INTERFACE and offer is not None:
        name, says_of, remedy = OF_INTERFACE[finding.check]
        return name, says_of(offer), remedy
    if finding.check in OF_ALL:
        name, says, remedy = OF_ALL[finding.check]
        return name, says(spots), remedy
    return _in_english(finding, spots)  # better than no page


CHINESE: Final = Words(
    code="zh",
    name="中文",
    other="en",
    about="镜像端口上发现的加密货币挖矿行为",
    silent="守护进程无响应",
    states={
        "no_worker": "没有工作进程在运行：无法检测",
        "interface_down": "接口断开：{names}",
        "no_packet": "尚未收到数据包",
        "reload_failed": "正在检测；上次重载规则失败，沿用之前的规则",
        "selftest": "自检失败，或尚未运行",
        "blind": "正在检测，但几乎看不到流量：见“盲区”",
        "partly_blind": "正在检测，但有看不到的部分：见“盲区”",
        "watching": "正在检测",
    },
    labels={
        "packets": "数据包",
        "passed": "进入分析",
        "drops": "内核丢包",
        "last_packet": "最近数据包（UTC）",
        "hits": "命中",
        "active": "一小时内的主机",
        "flows": "连接",
        "one_sided": "单向连接",
        "rules": "规则",
    },
    columns=("地址", "租户", "命中", "置信度", "级别", "算力", "功率", "机器数", "最近命中（UTC）", "规则"),
    confidences={"confirmed": "已确认", "probable": "很可能", "suspected": "疑似"},
    severities={"critical": "严重", "high": "高", "medium": "中", "low": "低"},
    blind="盲区",
    sees_all="未发现妨碍检测的问题。",
    hosts="挖矿地址",
    none="暂未发现挖矿。",
    rules="规则",
    links=(
        ("/metrics", "供 Prometheus 抓取的指标"),
        ("/-/hosts", "JSON 格式的本表"),
        ("/-/healthy", "进程是否存活"),
        ("/-/ready", "当前能否检测挖矿"),
    ),
    finding=_in_chinese,
)

LANGUAGES: Final = {words.code: words for words in (ENGLISH, CHINESE)}
MAX_TAGS: Final = 20  # of an Accept-Language header that are looked at


def choose(query: str, accept: str) -> Words:
    """The language that a reader asks for (``?lang=zh``), or prefers most of those that there are; else English.

    Args:
        query: behind the ``?`` of the request.
        accept: its Accept-Language header (RFC 9110, section 12.5.4).
    """
    asked = parse_qs(query).get("lang", [""])[-1]
    if asked in LANGUAGES:
        return LANGUAGES[asked]
    best, found = 0.0, ENGLISH
    for part in accept.lower().split(",")[:MAX_TAGS]:
        tag, _, parameter = part.partition(";")
        words = LANGUAGES.get(tag.strip().partition("-")[0])
        weight = _weight(parameter)
        if words is not None and weight > best:
            best, found = weight, words
    return found


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def worth_telling(findings: list[Finding]) -> list[Finding]:
    """Those that are not in order, the worst first."""
    return sorted((one for one in findings if one.level > Level.OK), key=lambda one: -one.level)
