// Prompts to begin with: unfinished, as base models continue text.

export const EXAMPLES = [
  { name: "English", lang: "en", text: "When she opened the window this morning, the first thing she noticed was" },
  { name: "Deutsch", lang: "de", text: "Um eine gute Suppe zu kochen, braucht man" },
  { name: "Español", lang: "es", text: "El tren a la costa llegó tarde otra vez, así que nos sentamos y" },
  { name: "中文", lang: "zh", text: "今天下午天气很好，我和妈妈一起去公园散步，" },
  { name: "日本語", lang: "ja", text: "駅前の小さな喫茶店で、" },
  { name: "العربية", lang: "ar", text: "في صباح يوم مشمس، خرج الأطفال إلى" },
  { name: "A question", lang: "en", text: "Why is the sky blue?" },
];
