// Answers of Prometheus as the data frames that Grafana's Prometheus data source makes of them.
//
// In: a panel, the answers of its queries by refId.  Out: frames.  Never: a value that Prometheus did not say.
import { FieldType, createDataFrame } from '@grafana/data';

const number = (text) => (text === 'NaN' ? null : Number(text));

function legend(format, labels, expr) {
  if (format === '__auto') {
    const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
    return pairs.length ? `{${pairs.join(', ')}}` : expr;
  }
  return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '');
}

function seriesFrame(target, series, step) {
  const points = series.values ?? [series.value];
  const name = legend(target.legendFormat, series.metric, target.expr);
  return createDataFrame({
    refId: target.refId,
    name,
    fields: [
      {
        name: 'Time',
        type: FieldType.time,
        values: points.map(([seconds]) => seconds * 1000),
        config: { interval: step },
      },
      {
        name: 'Value',
        type: FieldType.number,
        values: points.map(([, text]) => number(text)),
        labels: series.metric,
        config: { displayNameFromDS: name },
      },
    ],
  });
}

function tableFrame(target, result, many) {
  const labels = [...new Set(result.flatMap((series) => Object.keys(series.metric)))].sort();
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: result.map((series) => series.value[0] * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        values: result.map((series) => series.metric[label] ?? ''),
      })),
      {
        name: many ? `Value #${target.refId}` : 'Value',
        type: FieldType.number,
        values: result.map((series) => number(series.value[1])),
      },
    ],
  });
}

export function framesOf(panel, answers, step) {
  return panel.targets.flatMap((target) => {
    const { result } = answers[target.refId];
    if (target.format === 'table') {
      return result.length ? [tableFrame(target, result, panel.targets.length > 1)] : [];
    }
    return result.map((series) => seriesFrame(target, series, step));
  });
}
