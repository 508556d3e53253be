/** Folders of the package that comparisons read. This file lies as deep as the bundles of `dist/emulator/`, so that both find them. */
const shipped = (folder: string): URL => new URL(`../../${folder}/`, import.meta.url);

export const conformanceFolder = shipped("fixtures/conformance");
export const recordingsFolder = shipped("fixtures/recordings");
export const sampleModelsFolder = shipped("model-repo");
export const protosFolder = shipped("protos");
export const onnxRuntimeBackendFolder = shipped("fixtures/real-triton/onnxruntime-backend");
export const parityFolder = shipped("fixtures/parity");
