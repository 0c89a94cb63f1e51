"""How the report's page looks, on a screen and on A4.

In: nothing.  Out: one style sheet, and the policy that lets in nothing else.
Never: a font, a picture or a rule from elsewhere; a figure that only a colour tells.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

STYLE: Final = """
:root{--ink:#16202b;--dim:#5a6673;--line:#d4d9de;--soft:#f2f4f6;--accent:#1f4e79;--band:#b9cfe4;--bar:#7fa6cc}
*{box-sizing:border-box}
html{background:#e8eaed}
body{margin:0;color:var(--ink);font:15px/1.55 system-ui,"Segoe UI","Helvetica Neue",Arial,sans-serif;
-webkit-print-color-adjust:exact;print-color-adjust:exact}
article:lang(zh){font-family:"Noto Sans CJK SC","Noto Sans SC","Source Han Sans SC","PingFang SC","Microsoft YaHei",sans-serif;line-height:1.7}
nav{max-width:64rem;margin:1rem auto 0;padding:0 1rem;text-align:right}
article{max-width:64rem;margin:1rem auto;padding:3rem 3.2rem;background:#fff;border:1px solid var(--line)}
header{border-bottom:3px double var(--accent);padding-bottom:1rem;margin-bottom:1.4rem}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 .8rem;color:var(--accent)}
h2{font-size:1.15rem;margin:2.4rem 0 .5rem;padding-bottom:.25rem;border-bottom:1px solid var(--accent);color:var(--accent)}
h3{font-size:1rem;margin:1.4rem 0 .35rem}
p{margin:.4rem 0}.lead,.dim{color:var(--dim)}.lead{font-size:.88rem;margin-bottom:.7rem}
header dl{display:grid;grid-template-columns:max-content 1fr max-content 1fr;gap:.15rem 1rem;margin:0;font-size:.9rem}
header dt{color:var(--dim)}header dd{margin:0;overflow-wrap:anywhere}header .wide{grid-column:span 3}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:.7rem;margin:1rem 0 .4rem;padding:0}
.tiles>div{border:1px solid var(--line);border-top:3px solid var(--accent);padding:.55rem .75rem .6rem}
.tiles dt{color:var(--dim);font-size:.8rem}.tiles dd{margin:0;font-size:1.4rem;line-height:1.3;font-variant-numeric:tabular-nums;white-space:nowrap}
.tiles dd.between{font-size:.78rem;color:var(--dim)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.82rem;line-height:1.4}
th,td{text-align:left;padding:.32rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--dim);font-weight:600;border-bottom:1px solid var(--ink);vertical-align:bottom}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.t{overflow-wrap:anywhere;min-width:5.5rem}td i{font-style:normal;color:var(--dim)}td.k{white-space:nowrap}td small{display:block;color:var(--dim);font-size:.92em;white-space:nowrap}
td.t small,td small.wraps{white-space:normal}
tbody tr:nth-child(even){background:var(--soft)}
svg{display:block;width:100%}svg.rank{width:6.5rem;height:.7rem;margin:.15rem 0 0 auto}
.charts{display:grid;grid-template-columns:1fr 1fr;gap:.2rem 1.2rem}figure{margin:.3rem 0}figure.whole{grid-column:span 2}
figcaption{font-weight:600;font-size:.88rem}.chart{height:auto}
.chart text{fill:var(--dim);font-size:10px;font-family:inherit}.unit{font-weight:600}
.grid{stroke:#e3e7ea;stroke-width:.8}.axis{stroke:var(--ink);stroke-width:1}
.band{fill:var(--band)}.line{fill:none;stroke:var(--accent);stroke-width:1.6;stroke-linejoin:round}.dot{fill:var(--accent)}
.bar{fill:var(--bar)}.whisker{stroke:var(--ink);stroke-width:1.1}.rank .whisker{stroke-width:1.5}
.dark{fill:#e6e6e6}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:.4rem 0;font-size:.9rem}
.facts dt{font-variant-numeric:tabular-nums;text-align:right;font-weight:600;white-space:nowrap}.facts dd{margin:0}
.terms{font-size:.88rem;margin:.4rem 0}.terms dt{font-weight:600;float:left;margin-right:.6em}.terms dd{margin:0 0 .3rem}
.terms dd::after{content:"";display:block;clear:both}
.limits{font-size:.88rem;margin:.4rem 0;padding-left:1.2rem}.limits li{margin-bottom:.25rem}
.counts{display:flex;gap:.7rem;margin:.6rem 0}.counts div{border:1px solid var(--line);padding:.3rem .9rem;min-width:6.5rem}
.counts b{display:block;font-size:1.2rem;font-variant-numeric:tabular-nums}.counts span{color:var(--dim);font-size:.8rem}
footer{margin-top:2.5rem;padding-top:.6rem;border-top:1px solid var(--line);font-size:.8rem;color:var(--dim)}
a{color:var(--accent)}
@media(max-width:50rem){.charts{grid-template-columns:1fr}figure.whole{grid-column:auto}article{padding:1.2rem}.tiles{grid-template-columns:repeat(2,1fr)}
header dl{grid-template-columns:max-content 1fr}header .wide{grid-column:auto}.counts{flex-wrap:wrap}}
@page{size:A4;margin:16mm 14mm 18mm;@bottom-right{content:counter(page) " / " counter(pages);font:8pt sans-serif;color:#5a6673}}
@media print{html{background:none}body{font-size:9.5pt}nav{display:none}.scroll{overflow:visible}
article{max-width:none;margin:0;padding:0;border:0}article+article{break-before:page}
table{font-size:7.6pt}th,td{padding:.18rem .35rem}.tiles dd{font-size:13pt}
h2,h3,.lead{break-after:avoid}tr,.tiles>div,figure,svg,.counts{break-inside:avoid}thead{display:table-header-group}}
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


POLICY: Final = f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src {_hash(STYLE)}"
