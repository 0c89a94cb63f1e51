"""The report's words, in English and in Chinese.

In: nothing.  Out: :class:`Words`.
Never: a language that lacks a word of another; markup.
"""

# ruff: noqa: RUF001
# Chinese text has Chinese punctuation.

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    code: str  # for lang="…"
    name: str  # of itself
    title: str
    head: dict[str, str]
    summary: dict[str, str]  # sentences, by what there is to tell
    tiles: dict[str, str]
    between: str  # "{low} to {high}" of a tile
    sections: dict[str, str]
    leads: dict[str, str]  # a sentence below the heading of a section
    columns: dict[str, str]
    by: dict[str, str]  # of a row of the ranking
    nobody: dict[str, str]  # the row of those that belong to none
    kinds: dict[str, str]
    changes: dict[str, str]
    change_leads: dict[str, str]
    reasons: dict[str, str]  # of a move, as the history names them; {value} where they have one
    charts: dict[str, str]
    blind: dict[str, str]
    holes: dict[str, str]
    unknown: dict[str, str]
    of_traffic: str  # of an address
    of_their_traffic: str  # of several
    more: str
    none: str
    unknown_algorithm: str
    method: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]
    glossary: tuple[tuple[str, str], ...]
    foot: str
    listed: str  # between two of a list


# ── English ──────────────────────────────────────────────────────────────────────────────────────────────

ENGLISH: Final = Words(
    code="en",
    name="English",
    title="Report on cryptocurrency mining",
    head={
        "period": "Period",
        "sensor": "Sensor",
        "made": "Made",
        "program": "Program",
        "rules": "Rule set",
        "zone": "All times",
        "watched": "Watched",
        "watched_unknown": "not recorded; averages are over the whole period",
        "watched_of": "{watched} of {whole} ({share})",
    },
    summary={
        "seen": "In the period mining was read at {addresses} addresses of {tenants} known tenants, in {sessions} sessions.",
        "none": "In the period no mining session was read.",
        "energy": "The electric energy behind it is estimated at {day} kWh per day ({low_day} to {high_day}), together {total} kWh.",
        "no_energy": "The electric energy behind it cannot be estimated: no consumption of the devices is known.",
        "rate": "The largest part is {algorithm} with {rate} on average (95 % band {band}).",
        "least": "The sensor saw {share} of the time; the figures are of what it saw, and therefore a least.",
    },
    tiles={
        "addresses": "Mining addresses",
        "tenants": "Tenants",
        "machines": "Machines (estimate)",
        "rate": "Hashrate, {algorithm}",
        "day": "Energy per day",
        "total": "Energy of the period",
        "traffic": "Mining traffic",
        "shares": "Shares counted",
    },
    between="{low} to {high}",
    sections={
        "summary": "Summary",
        "rates": "Hashrate by algorithm",
        "days": "Day by day",
        "ranking": "Ranking by {by}",
        "addresses": "Addresses with most shares",
        "cases": "Cases",
        "blind": "What the sensor could not see",
        "unknown": "What has no figure",
        "method": "Method",
        "limits": "Limits",
        "glossary": "Terms",
    },
    leads={
        "rates": "Hashes of different algorithms are not alike and are never added up; energy is.",
        "days": "Shaded: the 95 % band. Whiskers: the range of energy. Grey days were not watched.",
        "ranking": "Most energy first; where there is no figure for energy, most shares. Bars show energy per day, whiskers its range.",
        "addresses": "Most shares first. Shares of different difficulty are not alike; for size see hashrate and energy.",
        "cases": "A case is one address that mines or has mined. {open} are open at the end of the period.",
    },
    columns={
        "rank": "#",
        "name": "Name",
        "addresses": "Addresses",
        "machines": "Machines",
        "shares": "Shares",
        "rate": "Hashrate (95 % band)",
        "energy": "kWh/day (range)",
        "part": "Part",
        "traffic": "Mining traffic",
        "algorithm": "Algorithm",
        "average": "Average (95 % band)",
        "peak": "Highest hour (95 % band)",
        "stated": "Stated by miners",
        "host": "Address",
        "tenant": "Tenant",
        "pool": "Pool, coin",
        "last": "First and last",
        "at": "When",
        "opened": "Mining since",
        "from": "Came from",
        "reasons": "In common",
        "begin": "From",
        "end": "To",
        "reason": "Why",
    },
    by={
        "tenant": "tenant",
        "site": "site",
        "district": "district",
        "kind": "kind of owner",
        "pool": "pool",
        "coin": "coin",
    },
    nobody={
        "tenant": "(no known tenant)",
        "site": "(no known site)",
        "district": "(no known district)",
        "kind": "(kind not known)",
        "pool": "(pool not known)",
        "coin": "(coin not known)",
    },
    kinds={
        "park": "park",
        "data-centre": "data centre",
        "power-plant": "power plant",
        "telecom": "telecom",
        "internet-company": "internet company",
        "internet-cafe": "internet café",
        "campus": "campus",
        "government": "government",
        "household": "household",
        "other": "other",
    },
    changes={"new": "New", "stopped": "Stopped", "relapsed": "Relapsed", "moved": "Moved"},
    change_leads={
        "new": "Seen mining for the first time.",
        "stopped": "No sign of mining any more. Encrypted mining shows none either.",
        "relapsed": "Mining again after having stopped.",
        "moved": "A new address that probably continues another one.",
    },
    reasons={
        "account-private": "an account that nobody else used",
        "account-shared": "an account that {value} others used too",
        "pattern": "names of workers alike",
        "gap": "began {value} later",
        "overlap": "side by side for {value}",
        "agent": "same program",
        "pool": "same pool",
        "rate": "rate {value} times the former",
        "rate-differs": "but rate {value} times the former",
        "algorithm-differs": "but another algorithm",
        "tenant": "same tenant",
        "tenant-differs": "but another tenant",
    },
    charts={"rate": "Hashrate, {algorithm}", "energy": "Energy per day"},
    blind={
        "down": "No sensor ran",
        "silent": "Ran, and no packet came",
        "dropped": "Packets lost by the kernel",
        "one_sided": "Flows seen from one side",
        "hidden": "TLS and QUIC sessions without a readable name",
        "not_recorded": "The history holds nothing about what the sensor saw.",
        "holes": "Stretches without sight",
        "no_holes": "There is no stretch of the period in which nothing was seen.",
    },
    holes={"down": "no sensor ran", "silent": "no packet came"},
    unknown={
        "shares": "Shares whose worth is not known: the difficulty was told before the sensor listened.",
        "addresses_without_hashrate": "Addresses with mining and without any hashrate, for that reason.",
        "addresses_without_energy": "Addresses with hashrate and without energy: no consumption of a device for the algorithm is verified.",
        "energy_covered": "Part of the sessions' time with hashrate for which energy is known.",
        "addresses_with_signs_only": "Addresses with signs alone (names asked for, pools reached under encryption): counted nowhere else in this report.",
        "addresses_without_tenant": "Mining addresses that belong to no known tenant.",
    },
    of_traffic="about {share} of its traffic",
    of_their_traffic="about {share} of the traffic of these addresses",
    more="… and {count} more: see --format csv or json, or raise --top.",
    none="None in the period.",
    unknown_algorithm="not known",
    method=(
        (
            "What counts",
            "Mining is recognised by the messages that miners and pools exchange. An address counts here once such a session was read. A session is one address, one server, one account, whatever connections it took; where the sensor's program began anew, so did its sessions.",
        ),
        (
            "Hashrate",
            "A share proves, on average, as many hashes as its difficulty demands. Counted are accepted shares where the pool's answers are seen, else submitted ones; what is sent twice counts once. The average is hashes by watched time. Where miners state their hashrate themselves, that is preferred.",
        ),
        (
            "Bands",
            "Shares arrive at random. The 95 % band says within which limits the true average lies in 95 of 100 such cases (gamma distribution, Jeffreys' prior). Statements of miners have no band. A band holds the accident of counting, not an error of the method.",
        ),
        (
            "Energy",
            "Hashes times the consumption by hash of the recognised device; where none is recognised, of the devices that are known for the algorithm, times the overhead of the site where one is configured. Low and high are those of the best and the worst device in question, widened by the band of the hashrate. Sums add all lows and all highs, so their range is wide on purpose.",
        ),
        (
            "Averages and peaks",
            "Averages and kWh per day are over the time in which the sensor received packets; nothing is added for the rest. The highest hour is the hour with most hashes by watched second, among hours watched for at least half; the highest of many hours is by chance a little too high.",
        ),
        (
            "Traffic",
            "Mining traffic is counted frame by frame, from the first message that shows it. All traffic of a mining address is estimated from one frame in 64, taken at random, from its first mining until a day after the last; what it carried before is not in it. The part that is mining is therefore rough where an address carries little: with 1,000 frames beside its mining, to some 25 %, with 100,000 to 3 %.",
        ),
        (
            "Cases",
            "A case opens with the first mining of an address under a tenant, stops when it has been silent for a while, relapses when it begins again. Moved: a new address that shares account, workers, agent, pool or rate with one that fell silent; how sure that is stands beside it.",
        ),
    ),
    limits=(
        "What is encrypted throughout shows no shares: a miner behind TLS is counted as a sign at most. All totals are therefore a least.",
        "Tenant, site, district and kind are those configured when the daemon last wrote. One address may stand for many machines and people (NAT, proxies), one machine may use many addresses one after the other.",
        "Machines are an estimate from workers and sub-sessions; a proxy can show one machine where there are a thousand. Hashrate and energy do not depend on it.",
        "Consumption is nameplate consumption; devices that are tuned take 20 to 40 percent less, worn ones more.",
        "Statements of miners can be false. The part that rests on them is given.",
        "The history keeps fine steps for some time only; an older period that does not begin and end at midnight UTC is exact to the step that is left.",
        "This report says what was on the wire. Who acted, and whether it was allowed, has to be found on site.",
    ),
    glossary=(
        ("Hashrate", "attempts per second: 1 PH/s = 1000 TH/s = 10^15 hashes per second; Sol/s and g/s for algorithms that count solutions or graphs"),
        ("Share", "proof of work that a miner sends to its pool"),
        ("Difficulty", "how many hashes a share stands for, set by the pool"),
        ("Pool", "service that combines miners and pays them by shares"),
        ("Session", "one address, one server, one account"),
        ("Machine", "a device behind an address, as far as messages tell it"),
        ("95 % band", "limits between which the true value lies in 95 of 100 cases"),
        ("Watched", "time in which packets reached the sensor"),
    ),
    foot="Made by sniffer {program}. Figures of this page: sniffer report --format json.",
    listed=", ",
)  # fmt: skip


# ── Chinese ──────────────────────────────────────────────────────────────────────────────────────────────

CHINESE: Final = Words(
    code="zh",
    name="中文",
    title="虚拟货币“挖矿”活动监测报告",
    head={
        "period": "报告期",
        "sensor": "监测点",
        "made": "生成时间",
        "program": "程序版本",
        "rules": "规则集版本",
        "zone": "时区",
        "watched": "有效监测时长",
        "watched_unknown": "无记录；平均值按整个报告期计算",
        "watched_of": "{watched}，报告期共 {whole}（占 {share}）",
    },
    summary={
        "seen": "报告期内，在 {tenants} 个已知租户的 {addresses} 个地址上读取到挖矿通信，共 {sessions} 个会话。",
        "none": "报告期内未读取到挖矿会话。",
        "energy": "估算日均耗电 {day} 千瓦时（{low_day} 至 {high_day}），报告期合计 {total} 千瓦时。",
        "no_energy": "无法估算耗电量：相关设备的能耗未知。",
        "rate": "其中规模最大的算法为 {algorithm}，平均算力 {rate}（95% 置信区间 {band}）。",
        "least": "传感器的有效监测时长占报告期的 {share}；各项数字仅反映所见部分，因此是下限。",
    },
    tiles={
        "addresses": "挖矿地址",
        "tenants": "租户",
        "machines": "矿机（估计）",
        "rate": "算力（{algorithm}）",
        "day": "日均耗电",
        "total": "报告期耗电",
        "traffic": "挖矿流量",
        "shares": "计入的份额",
    },
    between="{low} 至 {high}",
    sections={
        "summary": "概要",
        "rates": "各算法算力",
        "days": "逐日变化",
        "ranking": "按{by}排名",
        "addresses": "提交份额最多的地址",
        "cases": "个案变化",
        "blind": "监测盲区",
        "unknown": "无法估算的部分",
        "method": "方法",
        "limits": "局限",
        "glossary": "术语",
    },
    leads={
        "rates": "不同算法的算力性质不同，不能相加；耗电量可以相加。",
        "days": "阴影为 95% 置信区间，竖线为耗电量范围，灰色日期没有监测。",
        "ranking": "按耗电量从高到低排列；没有耗电量数字的按份额排列。横条表示日均耗电，细线表示其范围。",
        "addresses": "按份额从多到少排列。难度不同的份额不可直接比较，规模请看算力和耗电量。",
        "cases": "一个个案对应一个正在或曾经挖矿的地址。报告期末仍有 {open} 个未停止。",
    },
    columns={
        "rank": "序号",
        "name": "名称",
        "addresses": "地址",
        "machines": "矿机",
        "shares": "份额",
        "rate": "算力（95% 置信区间）",
        "energy": "千瓦时/日（范围）",
        "part": "占比",
        "traffic": "挖矿流量",
        "algorithm": "算法",
        "average": "平均（95% 置信区间）",
        "peak": "最高一小时（95% 置信区间）",
        "stated": "矿机自报",
        "host": "地址",
        "tenant": "租户",
        "pool": "矿池、币种",
        "last": "首次与最近",
        "at": "时间",
        "opened": "开始挖矿",
        "from": "原地址",
        "reasons": "共同特征",
        "begin": "开始",
        "end": "结束",
        "reason": "原因",
    },
    by={
        "tenant": "租户",
        "site": "场所",
        "district": "区县",
        "kind": "主体类型",
        "pool": "矿池",
        "coin": "币种",
    },
    nobody={
        "tenant": "（租户未知）",
        "site": "（场所未知）",
        "district": "（区县未知）",
        "kind": "（类型未知）",
        "pool": "（矿池未知）",
        "coin": "（币种未知）",
    },
    kinds={
        "park": "产业园区",
        "data-centre": "数据中心",
        "power-plant": "发电企业",
        "telecom": "电信运营商",
        "internet-company": "互联网企业",
        "internet-cafe": "网吧",
        "campus": "院校",
        "government": "政府机关",
        "household": "居民家庭",
        "other": "其他",
    },
    changes={"new": "新增", "stopped": "停止", "relapsed": "复发", "moved": "迁移"},
    change_leads={
        "new": "首次发现挖矿。",
        "stopped": "不再有挖矿迹象。加密的挖矿同样没有迹象。",
        "relapsed": "停止之后再次挖矿。",
        "moved": "新地址很可能是另一地址的延续。",
    },
    reasons={
        "account-private": "账户仅其使用",
        "account-shared": "账户另有 {value} 个地址使用",
        "pattern": "矿工名相似",
        "gap": "间隔 {value}",
        "overlap": "并行 {value}",
        "agent": "客户端相同",
        "pool": "矿池相同",
        "rate": "算力为原先的 {value} 倍",
        "rate-differs": "但算力为原先的 {value} 倍",
        "algorithm-differs": "但算法不同",
        "tenant": "租户相同",
        "tenant-differs": "但租户不同",
    },
    charts={"rate": "算力（{algorithm}）", "energy": "日耗电量"},
    blind={
        "down": "没有传感器运行",
        "silent": "在运行但没有收到数据包",
        "dropped": "内核丢弃的数据包",
        "one_sided": "只见单向的连接",
        "hidden": "看不到名称的 TLS 和 QUIC 会话",
        "not_recorded": "历史中没有传感器自身状况的记录。",
        "holes": "没有监测的时段",
        "no_holes": "报告期内没有完全看不到流量的时段。",
    },
    holes={"down": "没有传感器运行", "silent": "没有收到数据包"},
    unknown={
        "shares": "价值未知的份额：矿池下发难度时传感器尚未监听。",
        "addresses_without_hashrate": "因此有挖矿而没有算力数字的地址。",
        "addresses_without_energy": "有算力而没有耗电量数字的地址：该算法没有经过核实的设备能耗。",
        "energy_covered": "有算力的会话时长中，已知耗电量的部分。",
        "addresses_with_signs_only": "只有迹象的地址（查询过矿池域名、加密连接矿池）：本报告其他各处均未计入。",
        "addresses_without_tenant": "不属于任何已知租户的挖矿地址。",
    },
    of_traffic="约占其全部流量的 {share}",
    of_their_traffic="约占这些地址全部流量的 {share}",
    more="……另有 {count} 行：见 --format csv 或 json，或调大 --top。",
    none="报告期内没有。",
    unknown_algorithm="未知",
    method=(
        (
            "统计对象",
            "依据矿机与矿池之间的通信内容识别挖矿。读取到此类会话的地址才计入。会话指同一地址、同一服务器、同一账户，与建立了多少连接无关；监测程序重新启动后，会话重新计数。",
        ),
        (
            "算力",
            "一个份额平均证明了与其难度相当的哈希次数。看得到矿池应答时统计被接受的份额，否则统计提交的份额；重复发送的只计一次。平均算力等于哈希次数除以有效监测时长。矿机自报算力时优先采用。",
        ),
        (
            "置信区间",
            "份额的到达是随机的。95% 置信区间表示在 100 个此类情形中有 95 个的真实平均值落在其内（伽马分布，Jeffreys 先验）。矿机自报的数字没有区间。区间只反映计数的偶然性，不反映方法本身的误差。",
        ),
        (
            "耗电量",
            "哈希次数乘以所识别设备的单位能耗；未能识别设备时，采用该算法已知设备的能耗，并乘以配置的场所附加系数。下限和上限取相关设备中的最优和最差者，再按算力区间放宽。合计时下限与下限相加、上限与上限相加，因此范围有意偏宽。",
        ),
        (
            "平均与最高",
            "平均值和千瓦时/日按传感器收到数据包的时长计算，其余时间不作补计。最高一小时是单位监测时长内哈希次数最多的一小时（监测不足一半的小时不参与）；从许多小时中取最高值，因偶然性会略微偏高。",
        ),
        (
            "流量",
            "挖矿流量自第一条可识别的消息起逐帧统计。挖矿地址的全部流量按随机抽取的 1/64 帧估计，自首次挖矿起，至最后一次挖矿后一天为止；此前的流量不在其中。因此流量很小的地址，其挖矿占比较粗略：挖矿之外有 1,000 帧时误差约 25%，有 100,000 帧时约 3%。",
        ),
        (
            "个案",
            "某租户的地址首次挖矿时建立个案，一段时间没有迹象即为停止，再次开始即为复发。迁移：新地址与已停止的地址在账户、矿工名、客户端、矿池或速率上相同；把握程度列在旁边。",
        ),
    ),
    limits=(
        "全程加密的挖矿看不到份额：TLS 之后的矿机至多算作迹象。因此各项合计都是下限。",
        "租户、场所、区县和类型取守护进程最近一次写入时的配置。一个地址背后可能有许多机器和人（NAT、代理），一台机器也可能先后使用多个地址。",
        "矿机数量由矿工名和子会话估计；代理可能使一千台看起来像一台。算力和耗电量不受此影响。",
        "能耗取铭牌值；经过调校的设备低 20% 至 40%，老旧设备更高。",
        "矿机自报的数字可能不实。依赖自报的部分已列出。",
        "历史只在一段时间内保留细粒度记录；较早的、不以 UTC 零点起止的报告期只精确到所保留的粒度。",
        "本报告说明线路上有什么。何人所为、是否允许，须现场核查。",
    ),
    glossary=(
        ("算力", "每秒尝试次数：1 PH/s = 1000 TH/s = 10^15 次哈希每秒；以解或图计数的算法用 Sol/s、g/s"),
        ("份额", "矿机发给矿池的工作量证明"),
        ("难度", "一个份额代表多少次哈希，由矿池设定"),
        ("矿池", "汇集矿机并按份额付酬的服务"),
        ("会话", "同一地址、同一服务器、同一账户"),
        ("矿机", "地址背后的设备，以通信内容所示为限"),
        ("95% 置信区间", "100 个情形中有 95 个的真实值落在其内的界限"),
        ("有效监测时长", "数据包到达传感器的时间"),
    ),
    foot="由 sniffer {program} 生成。本页数字：sniffer report --format json。",
    listed="、",
)  # fmt: skip

LANGUAGES: Final = {words.code: words for words in (ENGLISH, CHINESE)}
