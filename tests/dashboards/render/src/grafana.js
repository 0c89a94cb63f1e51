// What the Grafana server's own front end registers at its start, as far as our four types of panels need it.
//
// In: nothing.  Out: registries of @grafana/data are filled.  Never: a rule of ours about how something looks.
import {
  FieldConfigOptionsRegistry,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
} from '@grafana/data';

const STANDARD = [
  'displayName', 'unit', 'min', 'max', 'decimals', 'thresholds', 'mappings', 'noValue', 'links', 'color',
];
const CUSTOM = [
  'drawStyle', 'lineInterpolation', 'lineWidth', 'fillOpacity', 'gradientMode', 'showPoints', 'spanNulls',
  'stacking', 'axisPlacement', 'axisBorderShow', 'axisSoftMax', 'scaleDistribution', 'thresholdsStyle',
  'align', 'cellOptions', 'inspect', 'width',
];
const option = (id, path, isCustom) => ({
  id,
  path,
  isCustom,
  name: id,
  description: '',
  editor: () => null,
  override: () => null,
  process: identityOverrideProcessor,
  shouldApply: () => true,
});

export const fieldOptions = new FieldConfigOptionsRegistry(() => [
  ...STANDARD.map((id) => option(id, id, false)),
  ...CUSTOM.map((id) => option(`custom.${id}`, id, true)),
]);

standardTransformersRegistry.setInit(() =>
  [
    standardTransformers.mergeTransformer,
    standardTransformers.filterFieldsByNameTransformer,
    standardTransformers.organizeFieldsTransformer,
  ].map((transformation) => ({
    id: transformation.id,
    transformation: () => Promise.resolve(transformation),
    name: transformation.name,
    description: transformation.description,
    editor: () => null,
  }))
);
