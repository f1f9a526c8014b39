// What the member's page says, in two languages. What a status means and how acts are called is said as on the
// consumer's page, in its words.

import { en } from "./en.js";
import { zh } from "./zh.js";

export const WORDS = {
  zh: {
    title: "会员", language: "English", positions: "库存", kept: "代管", handovers: "待收货", claims: "待确认", against: "他人声称",
    envelopes: "记录与回执", labels: "标签", none: "没有内容", more: "更多", lot: "批次", product: "产品", site: "场所", owner: "所有者",
    held: "在库", status: "状态", sender: "发货方", open: "未收", ref: "单据", time: "时间", supplier: "供应商", claimant: "声称方",
    disputed: "有争议", records: "记录", receipt: "回执", inForce: "现被封存或召回", goods: "货物", kind: "标签种类",
    shelf: "货架签", carton: "箱签", sheet: "A4 整页", voucher: "凭证码(32 位十六进制,或整条链接)", count: "张数", print: "打印",
    make: "生成", publicSite: "此场所已公开,无需凭证码。", voucherHint: "凭证码只留在本页,不会发送。留空则标签只显示批次事实。",
    voucherBad: "凭证码应为 32 位十六进制数字。", made: "生产日期", expiry: "保质期至", number: "批号",
    noToken: "请先在自己的电脑上运行 suyuan member-link,再打开它给出的链接。", failed: "节点没有给出内容", readOnly: "节点暂停接收:",
    yes: "是", no: "", long: "此链接太长,无法做成标签。", comma: "；",
    acts: {
      register: "商品登记", admit: "接纳会员", site: "场所登记", key: "密钥变更", pack: "装箱", unpack: "拆箱", withdraw: "撤回发货", sell: "销售",
      destroy: "销毁", fact: "检验或备注", recall: "召回", voucher: "凭证", policy: "核验规则",
    },
  },
  en: {
    title: "Member", language: "中文", positions: "Stock", kept: "Kept for others", handovers: "To receive",
    claims: "Unconfirmed", against: "Claimed from us", envelopes: "Records, receipts", labels: "Labels", none: "nothing",
    more: "More", lot: "Lot", product: "Product", site: "Site", owner: "Owner", held: "Held", status: "Status",
    sender: "Sender", open: "Open", ref: "Document", time: "Time", supplier: "Supplier", claimant: "Claimant",
    disputed: "Disputed", records: "Records", receipt: "Receipt", inForce: "held or recalled now", goods: "Goods",
    kind: "Kind of label", shelf: "Shelf", carton: "Carton", sheet: "A4 sheet",
    voucher: "Voucher (32 hexadecimal digits, or the whole link)", count: "How many", print: "Print", make: "Make",
    publicSite: "This site is public: no voucher is needed.",
    voucherHint: "The voucher stays in this page and is not sent. Without one a label shows the lot's facts only.",
    voucherBad: "A voucher has 32 hexadecimal digits.", made: "Made", expiry: "Best before", number: "Lot",
    noToken: "Run suyuan member-link on your own machine, then open the link that it gives.",
    failed: "The node did not answer with data", readOnly: "The node takes nothing now:", yes: "yes", no: "",
    long: "This link is too long for a label.", comma: "; ",
    acts: {
      register: "product", admit: "admission", site: "site", key: "key", pack: "packing", unpack: "unpacking",
      withdraw: "withdrawal", sell: "sale", destroy: "destruction", fact: "test or note", recall: "recall",
      voucher: "voucher", policy: "policy",
    },
  },
};
const PAGE = { zh, en };

/** A status bit of a position; one that is newer than this page stands as it is named. */
export const statusWord = (language, bit) => PAGE[language].details[bit] ?? bit.replaceAll("_", " ");

export function actWord(language, act) {
  const { bookedActs, acts } = PAGE[language];
  return WORDS[language].acts[act] ?? bookedActs[act] ?? acts[act.toUpperCase()] ?? act.replaceAll("_", " ");
}
