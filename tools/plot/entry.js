export {areaY, dot, line, lineY, link, plot, pointer, pointerX, ruleX, ruleY, text, tip} from "@observablehq/plot";
