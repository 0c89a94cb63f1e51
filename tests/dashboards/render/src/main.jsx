// Draws one dashboard with Grafana's components, from a file with its JSON and the answers to its queries.
//
// In: answers/NAME.json beside the page (?name=NAME), written by ask.py.  Out: the page; when it is done, window.drawn
// has its height, and window.report() says what each panel looks like.  Never: a request to anybody else.
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import './page.css';

import {
  ThemeContext,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createTheme,
  dateTime,
  standardEditorsRegistry,
  transformDataFrame,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';
import { lastValueFrom } from 'rxjs';

import { framesOf } from './frames.js';
import { fieldOptions } from './grafana.js';
import { PANELS } from './panels.jsx';

// Grafana's grid: 24 columns, rows of 30 pixels, 8 between.
const COLUMNS = 24;
const ROW = 30;
const GAP = 8;
const MARGIN = 16;
const HEAD = 84;
const GREY = 40; // the most by which the parts of a grey differ
const NO_DATA = { en: 'No data', zh: '无数据' };

standardEditorsRegistry.setInit(() => []);

function place({ x, y, w, h }, width) {
  const column = (width - GAP * (COLUMNS - 1)) / COLUMNS;
  return {
    left: x * (column + GAP),
    top: y * (ROW + GAP),
    width: w * column + (w - 1) * GAP,
    height: h * ROW + (h - 1) * GAP,
  };
}

// What a panel shows: frames through its transformations, then the options of its fields.
async function prepare(panel, answers, common) {
  const frames = framesOf(panel, answers, common.step);
  const transformed = await lastValueFrom(transformDataFrame(panel.transformations ?? [], frames));
  const shown = applyFieldOverrides({
    data: transformed,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: fieldOptions,
    replaceVariables: common.replaceVariables,
    theme: common.theme,
    timeZone: common.timeZone,
  });
  cacheFieldDisplayNames(shown);
  return shown;
}

const hasData = (frames) => frames.some((frame) => frame.length > 0);

function Empty({ panel, language }) {
  const says = panel.fieldConfig.defaults.noValue ?? NO_DATA[language];
  return <div className="empty">{says}</div>;
}

function Panel({ panel, frames, at, common }) {
  const Draw = PANELS[panel.type];
  return (
    <div className="panel" style={{ position: 'absolute', ...at }} data-id={panel.id}>
      <PanelChrome title={panel.title} description={panel.description} width={at.width} height={at.height}>
        {(width, height) =>
          hasData(frames) ? (
            <Draw panel={panel} frames={frames} options={panel.options} size={{ width, height }} {...common} />
          ) : (
            <Empty panel={panel} language={common.language} />
          )
        }
      </PanelChrome>
    </div>
  );
}

function Head({ dashboard, values, common }) {
  const choices = dashboard.templating.list.filter((one) => one.type === 'query');
  const shown = (one) => (one.includeAll && values[one.name].length !== 1 ? 'All' : values[one.name][0] || '–');
  const { from, to } = common.timeRange;
  return (
    <div className="head">
      <h1>{dashboard.title}</h1>
      <p>
        {choices.map((one) => (
          <span key={one.name} className="choice">
            <b>{one.label}</b> {shown(one)}
          </span>
        ))}
        <span className="choice">
          {from.utc().format('YYYY-MM-DD HH:mm:ss')} – {to.utc().format('HH:mm:ss')} UTC
        </span>
      </p>
    </div>
  );
}

function Dashboard({ told, prepared, common, onDrawn }) {
  const width = window.innerWidth - 2 * MARGIN;
  const { panels } = told.dashboard;
  const bottom = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const height = HEAD + bottom * (ROW + GAP) + MARGIN;
  useEffect(() => {
    onDrawn(height);
  }, [onDrawn, height]);
  return (
    <ThemeContext.Provider value={common.theme}>
      <GlobalStyles />
      <div style={{ position: 'relative', height, background: common.theme.colors.background.canvas }}>
        <Head dashboard={told.dashboard} values={told.values} common={common} />
        <div style={{ position: 'absolute', left: MARGIN, top: HEAD }}>
          {panels.map((panel, index) => (
            <Panel
              key={panel.id}
              panel={panel}
              frames={prepared[index]}
              at={place(panel.gridPos, width)}
              common={common}
            />
          ))}
        </div>
      </div>
    </ThemeContext.Provider>
  );
}

// How many pixels of a chart have a colour: the grid and the figures at the axes are grey.
function coloured(canvas) {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let pixels = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue, opacity] = data.subarray(at, at + 4);
    pixels += opacity && Math.max(red, green, blue) - Math.min(red, green, blue) > GREY ? 1 : 0;
  }
  return pixels;
}

// What a panel looks like, for tests.
function report(panel, frames) {
  const element = document.querySelector(`[data-id="${panel.id}"]`);
  const title = element.querySelector('h2');
  const canvas = element.querySelector('canvas');
  return {
    title: panel.title,
    type: panel.type,
    hasData: hasData(frames),
    text: element.innerText.trim(),
    titleIsCut: !title || title.scrollWidth > title.clientWidth,
    headings: [...element.querySelectorAll('[role="columnheader"]')].map((one) => one.innerText.trim()),
    colouredPixels: canvas ? coloured(canvas) : 0,
  };
}

async function main() {
  const name = new URLSearchParams(window.location.search).get('name');
  const told = await (await fetch(`answers/${name}.json`)).json();
  await initPluginTranslations('render');
  const common = {
    language: told.language,
    theme: createTheme({ colors: { mode: 'dark' } }),
    timeZone: 'utc',
    step: told.window.step,
    timeRange: {
      from: dateTime(told.window.from),
      to: dateTime(told.window.to),
      raw: { from: dateTime(told.window.from), to: dateTime(told.window.to) },
    },
    replaceVariables: (text) => text,
  };
  const { panels } = told.dashboard;
  const prepared = await Promise.all(
    panels.map((panel) => prepare(panel, told.answers[panel.id], common))
  );
  await document.fonts.ready;
  const onDrawn = (height) => {
    // Charts are drawn in the frames after the layout.
    setTimeout(() => {
      window.report = () => panels.map((panel, index) => report(panel, prepared[index]));
      window.drawn = { height };
    }, 500);
  };
  createRoot(document.getElementById('root')).render(
    <Dashboard told={told} prepared={prepared} common={common} onDrawn={onDrawn} />
  );
}

main().catch((error) => {
  console.error(error);
  window.drawn = { error: String(error?.stack ?? error) };
});
