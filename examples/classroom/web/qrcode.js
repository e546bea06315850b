import { qrcode } from 'qrcode-generator';

/**
 * matrix is the QR code of a text: its rows, from the top, each of which tells for
 * each module whether it is dark. There is no quiet zone around it.
 *
 * @param {string} text ASCII, as addresses are
 * @returns {boolean[][]}
 */
export function matrix(text) {
  const code = qrcode(0, 'M');
  code.addData(text);
  code.make();
  const along = Array.from({ length: code.getModuleCount() }, (_, index) => index);
  return along.map((row) => along.map((column) => code.isDark(row, column)));
}
