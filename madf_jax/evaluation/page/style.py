"""How the page looks: on a phone, on a desk and on paper."""

STYLE = """
:root { color-scheme: light; --line: #d0d4d8; --faint: #5a6169; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: #16191d; background: #fff;
  max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-bottom: .25rem;
  border-bottom: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
p { max-width: 46rem; margin: .5rem 0; }
.faint, caption, figcaption, small { color: var(--faint); }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .35rem; }
th, td { padding: .3rem .75rem; text-align: right; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid #16191d; vertical-align: bottom; }
th:first-child { text-align: left; }
tbody th { font-weight: 500; }
thead th { white-space: normal; overflow-wrap: break-word; max-width: 12rem; }
tbody th { position: sticky; left: 0; background: #fff; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 0 1.5rem; }
.pairs { display: flex; flex-wrap: wrap; gap: 0 3rem; }
.pairs .scroll { max-width: 100%; }
.curves figure { max-width: 36rem; }
svg { width: 100%; height: auto; display: block; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
figure { margin: 1rem 0; }
figcaption { font-size: .875rem; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(4, minmax(0, 16rem)); gap: .5rem; }
.tiles span { display: block; font-size: .8rem; color: var(--faint); }
.tiles img { width: 100%; display: block; }
.tiles img.small { image-rendering: pixelated; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .25rem 1.25rem; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: .85rem/1.5 ui-monospace, monospace; }
@media (max-width: 48rem) {
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: .5rem; }
  th, td { padding: .3rem .5rem; }
}
@media print {
  body { font-size: 10pt; max-width: none; padding: 0; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: .15rem .4rem; }
  figure, tr, dt { break-inside: avoid; }
  .curves { grid-template-columns: 1fr 1fr; }
  tbody th { position: static; }
  .tiles { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  h2, h3 { break-after: avoid; }
}
"""
