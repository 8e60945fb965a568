//! Computes the layout of a graph, away from the page, so that a hostile graph cannot block it.

import { Graph, layout } from "../vendor/dagre/dagre.js";

self.onmessage = ({ data: { nodes, edges, size } }) => {
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 28, ranksep: 52, edgesep: 16, marginx: 24, marginy: 24 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of nodes) graph.setNode(id, { width: size[0], height: size[1] });
  for (const [from, to] of edges) if (from !== to) graph.setEdge(from, to, { width: 92, height: 18, labelpos: "c" });
  layout(graph);
  self.postMessage({
    nodes: nodes.map((id) => [id, graph.node(id).x, graph.node(id).y]),
    edges: graph.edges().map(({ v, w }) => [v, w, graph.edge(v, w)]),
    width: graph.graph().width,
    height: graph.graph().height,
  });
};
