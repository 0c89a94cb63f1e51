// The four types of panels, each drawn by the component of @grafana/ui that Grafana itself draws it with.
//
// In: frames with field options applied, the panel's options, a place.  Out: elements.
// Never: a panel without data that looks like one with zeros.
//
// Time series: TimeSeries is the exported elder of the component inside Grafana's own panel; both configure uPlot by
// UPlotConfigBuilder.  Tables: TableNG is exported from @grafana/ui/unstable.
import { getDisplayValueAlignmentFactors, getFieldDisplayValues } from '@grafana/data';
import { VizOrientation } from '@grafana/schema';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

const SPACING = 8;

export function TimeSeriesPanel({ frames, options, size, timeRange, timeZone }) {
  return (
    <TimeSeries
      frames={frames}
      structureRev={1}
      timeRange={timeRange}
      timeZone={timeZone}
      legend={options.legend}
      options={options}
      {...size}
    />
  );
}

function values({ frames, panel, options, theme, timeZone, replaceVariables }) {
  return getFieldDisplayValues({
    data: frames,
    fieldConfig: panel.fieldConfig,
    reduceOptions: options.reduceOptions,
    replaceVariables,
    theme,
    timeZone,
  });
}

export function StatPanel(props) {
  const { options, size, theme } = props;
  return (
    <VizRepeater
      getValues={() => values(props)}
      getAlignmentFactors={(found) => getDisplayValueAlignmentFactors(found)}
      renderValue={({ value, width, height, orientation, count, alignmentFactors }) => (
        <BigValue
          value={value.display}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          alignmentFactors={alignmentFactors}
          parentOrientation={orientation}
          count={count}
          theme={theme}
          width={width}
          height={height}
        />
      )}
      source={props.frames}
      renderCounter={1}
      orientation={VizOrientation.Auto}
      itemSpacing={3}
      autoGrid
      {...size}
    />
  );
}

export function BarGaugePanel(props) {
  const { options, size, theme } = props;
  return (
    <VizRepeater
      getValues={() => values(props)}
      getAlignmentFactors={(found) => getDisplayValueAlignmentFactors(found)}
      renderValue={({ value, width, height, orientation, count, alignmentFactors }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          displayMode={options.displayMode}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          showUnfilled={options.showUnfilled}
          orientation={orientation}
          itemSpacing={SPACING}
          alignmentFactors={count > 1 ? alignmentFactors : undefined}
          theme={theme}
          width={width}
          height={height}
        />
      )}
      source={props.frames}
      renderCounter={1}
      orientation={options.orientation}
      itemSpacing={SPACING}
      minVizWidth={options.minVizWidth}
      minVizHeight={options.minVizHeight}
      maxVizHeight={options.maxVizHeight}
      {...size}
    />
  );
}

export function TablePanel({ frames, panel, options, size, timeRange }) {
  return (
    <TableNG
      data={frames[0]}
      noHeader={!options.showHeader}
      sortBy={options.sortBy}
      cellHeight={options.cellHeight}
      fieldConfig={panel.fieldConfig}
      timeRange={timeRange}
      structureRev={1}
      enableVirtualization={false}
      {...size}
    />
  );
}

export const PANELS = {
  timeseries: TimeSeriesPanel,
  stat: StatPanel,
  bargauge: BarGaugePanel,
  table: TablePanel,
};
