// Days, times, temperatures and places as people write them. Times are China's, wherever the reader is.

const PROVINCES = {
  11: ["北京", "Beijing"], 12: ["天津", "Tianjin"], 13: ["河北", "Hebei"], 14: ["山西", "Shanxi"],
  15: ["内蒙古", "Inner Mongolia"], 21: ["辽宁", "Liaoning"], 22: ["吉林", "Jilin"], 23: ["黑龙江", "Heilongjiang"],
  31: ["上海", "Shanghai"], 32: ["江苏", "Jiangsu"], 33: ["浙江", "Zhejiang"], 34: ["安徽", "Anhui"],
  35: ["福建", "Fujian"], 36: ["江西", "Jiangxi"], 37: ["山东", "Shandong"], 41: ["河南", "Henan"],
  42: ["湖北", "Hubei"], 43: ["湖南", "Hunan"], 44: ["广东", "Guangdong"], 45: ["广西", "Guangxi"],
  46: ["海南", "Hainan"], 50: ["重庆", "Chongqing"], 51: ["四川", "Sichuan"], 52: ["贵州", "Guizhou"],
  53: ["云南", "Yunnan"], 54: ["西藏", "Tibet"], 61: ["陕西", "Shaanxi"], 62: ["甘肃", "Gansu"],
  63: ["青海", "Qinghai"], 64: ["宁夏", "Ningxia"], 65: ["新疆", "Xinjiang"], 71: ["台湾", "Taiwan"],
  81: ["香港", "Hong Kong"], 82: ["澳门", "Macao"],
};
const CHINA_MS = 8 * 3_600_000; // ahead of UTC, all year; Intl takes 20 ms to know as much

/** 20260103 → 2026-01-03. */
export function day(number) {
  const digits = String(number).padStart(8, "0");
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`;
}

/** Milliseconds → 2026-01-03 09:30, in China. */
export const moment = (time) => new Date(time + CHINA_MS).toISOString().slice(0, 16).replace("T", " ");

export const dateOf = (time) => moment(time).slice(0, 10);

export function celsius(thousandths) {
  const degrees = (thousandths / 1000).toFixed(1).replace(/\.0$/, "");
  return `${degrees.replace("-", "−")} °C`;
}

export function duration(seconds, words) {
  const units = [[86400, words.days], [3600, words.hours], [60, words.minutes]];
  const [size, unit] = units.find(([size]) => seconds >= 2 * size || (size === 60)) ;
  return unit.replace("{n}", Math.max(seconds > 0 ? 1 : 0, Math.round(seconds / size)));
}

/** CN → China; what is not known stays as it is. */
export function country(code, language) {
  try {
    return new Intl.DisplayNames([language], { type: "region" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** CN-33 or CN-330402 → Zhejiang; another country's region → that country. */
export function region(code, language) {
  const [land, area = ""] = String(code).split("-");
  const province = land === "CN" ? PROVINCES[area.slice(0, 2)] : undefined;
  return province ? province[language === "en" ? 1 : 0] : country(land, language);
}

export const grams = (number) => (number % 1000 === 0 ? `${number / 1000} kg` : `${number} g`);
