"""The page's one style sheet: light and dark, a palette that colour-blind readers can tell apart, no outside font."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--paper:#fff;--sheet:#f6f7f9;--ink:#16191d;--soft:#5b6470;--rule:#dfe3e8;--grid:#eceff2;
--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#b0518a;--s4:#8a6d00;--s5:#4f5a66;--good:#00785a;--bad:#b8450a;--open:#7a5c00;
--good-bg:#e3f3ee;--bad-bg:#fbeae1;--open-bg:#f8f1d9;--none-bg:#eef0f3}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--sheet:#1b1f25;--ink:#e7eaee;--soft:#9aa5b1;--rule:#323943;
--grid:#262c34;--s0:#56b4e9;--s1:#f0803c;--s2:#2fc79a;--s3:#e08fc0;--s4:#e0c040;--s5:#a8b3bf;--good:#45cfa4;--bad:#f58e55;
--open:#e3c65a;--good-bg:#14302a;--bad-bg:#38221a;--open-bg:#332c14;--none-bg:#242a31}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1220px;margin:0 auto;padding:20px 24px 60px}
h1{font-size:22px;line-height:1.25;margin:0 0 2px}
h2{font-size:19px;line-height:1.3;margin:44px 0 4px;padding-top:14px;border-top:1px solid var(--rule)}
h3{font-size:15px;margin:22px 0 4px}
h4{font-size:13px;margin:18px 0 2px}
p{margin:6px 0;max-width:88ch}
.meta,.note,.lead{color:var(--soft)}
.meta{font-size:13px;overflow-wrap:anywhere}
.note{font-size:13px;max-width:108ch}
.headline{font-size:21px;line-height:1.4;font-weight:600;margin:18px 0 6px;max-width:64ch}
.limit{font-size:16px;max-width:80ch}
code{font:12.5px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
nav{font-size:13px;margin:14px 0 0;display:flex;flex-wrap:wrap;gap:2px 16px}
a{color:var(--s0);text-decoration:none}a:hover,a:focus{text-decoration:underline}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(235px,1fr));gap:12px;margin:16px 0}
.card{border:1px solid var(--rule);border-left-width:5px;border-radius:6px;padding:11px 14px;background:var(--sheet)}
.card h3{margin:0;font-size:13px;font-weight:600;color:var(--soft)}
.card .big{font-size:23px;font-weight:650;line-height:1.25;margin:3px 0 0;font-variant-numeric:tabular-nums}
.card .range{font-size:13px;color:var(--soft);margin:0;font-variant-numeric:tabular-nums}
.card .verdict{font-size:13px;font-weight:600;margin:5px 0 0}
.card .why{font-size:12.5px;color:var(--soft);margin:2px 0 0}
.card.good{border-left-color:var(--good)}.card.bad{border-left-color:var(--bad)}
.card.open{border-left-color:var(--open)}.card.none{border-left-color:var(--s5)}
.good .verdict,.t-good{color:var(--good)}.bad .verdict,.t-bad{color:var(--bad)}.open .verdict,.t-open{color:var(--open)}
.none .verdict,.t-none{color:var(--soft)}
.pill{display:inline-block;border-radius:4px;padding:0 7px;font-size:12.5px;font-weight:600;white-space:nowrap}
.pill.t-good{background:var(--good-bg)}.pill.t-bad{background:var(--bad-bg)}.pill.t-open{background:var(--open-bg)}
.pill.t-none{background:var(--none-bg)}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,500px),1fr));gap:8px 28px;align-items:start}
.small{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:4px 18px}
figure{margin:14px 0 4px;min-width:0}
figcaption{font-weight:600;font-size:14.5px;margin-bottom:4px}
.scroll{overflow-x:auto;max-width:100%}
svg{height:auto;display:block;width:100%}
.wide svg{min-width:640px}.mid svg{min-width:430px}
.legend{font-size:13px;display:flex;flex-wrap:wrap;gap:2px 16px;margin:4px 0}
.legend span{display:inline-flex;align-items:center;gap:4px}.legend svg{width:16px;min-width:0;flex:none}
table{border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums;margin:10px 0 4px;min-width:50%}
caption{text-align:left;font-weight:600;font-size:14.5px;padding:0 0 5px}
th{font-weight:600;color:var(--soft);font-size:12.5px;border-bottom:1px solid var(--rule);vertical-align:bottom}
td{border-bottom:1px solid var(--grid);vertical-align:top}
th,td{padding:4px 14px 4px 0;text-align:right}.w{text-align:left}.n{white-space:nowrap}
td.w{max-width:46ch;min-width:8em}td.w:empty{min-width:0}
tr:last-child td{border-bottom-color:var(--rule)}
.empty{color:var(--soft);background:var(--sheet);border:1px dashed var(--rule);border-radius:6px;padding:14px 16px}
details{margin:10px 0}summary{cursor:pointer;color:var(--s0);font-size:13.5px}
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}
text.label{fill:var(--soft);font-size:12px}text.tag{font-size:11.5px;fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:3px}
text.row{fill:var(--ink)}
.grid{stroke:var(--grid)}.axis{stroke:var(--soft);stroke-width:1}
.mark{stroke:var(--ink);stroke-width:1;stroke-dasharray:4 3;opacity:.75}
.zero{stroke:var(--soft);stroke-width:1.2}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.band{opacity:.18;stroke:none}.whisker{stroke-width:1.6}
.dash{stroke-dasharray:6 4}
.line.s0,.whisker.s0{stroke:var(--s0)}.line.s1,.whisker.s1{stroke:var(--s1)}.line.s2,.whisker.s2{stroke:var(--s2)}
.line.s3,.whisker.s3{stroke:var(--s3)}.line.s4,.whisker.s4{stroke:var(--s4)}.line.s5,.whisker.s5{stroke:var(--s5)}
.dot.s0,.band.s0,.bar.s0{fill:var(--s0)}.dot.s1,.band.s1,.bar.s1{fill:var(--s1)}.dot.s2,.band.s2,.bar.s2{fill:var(--s2)}
.dot.s3,.band.s3,.bar.s3{fill:var(--s3)}.dot.s4,.band.s4,.bar.s4{fill:var(--s4)}.dot.s5,.band.s5,.bar.s5{fill:var(--s5)}
@media (max-width:640px){.wide svg{min-width:760px}.wide text,.wide text.label,.wide text.tag{font-size:17px}
main{padding:14px 14px 40px}.headline{font-size:18px}h2{margin-top:32px}}
@media print{body{font-size:12px}nav{display:none}details>*{display:block}}
"""
